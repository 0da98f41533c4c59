"""What several tests share: slow references, small studies, hostile texts, spoiled files, kills."""
