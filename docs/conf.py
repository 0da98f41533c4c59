"""Sphinx: the pages of this folder, and the reference from the docstrings."""

import importlib
import importlib.metadata
import re
from pathlib import Path

project = "archselect"
author = copyright = "The archselect authors"
release = importlib.metadata.version("archselect")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["results/*/*"]
html_extra_path = ["extra"]  # holds schemas/, which the site publishes as they are
html_theme = "furo"
html_title = f"archselect {release}"
default_role = "code"
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "exclude-members": "model_config",
}
napoleon_use_ivar = True
napoleon_custom_sections = [("Settings", "params_style")]

# Modules are imported here, as in use: autodoc would import them with TYPE_CHECKING set, which pydantic does not bear.
for page in sorted(Path(__file__).parent.glob("reference/*.rst")):
    for module in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8")):
        importlib.import_module(module)
