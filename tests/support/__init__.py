"""What several tests share: slow references, small studies, hostile texts, spoiled files, kills."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""
