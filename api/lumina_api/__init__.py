"""Gateway, views, REST API, command line and local stack of Lumina."""
