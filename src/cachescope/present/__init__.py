"""Results to frozen page models, and page models to HTML, JSON and text."""
