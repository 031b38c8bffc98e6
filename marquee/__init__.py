"""The product's command line and its local stack: engines, supervisor, gateway, seed and demo."""
