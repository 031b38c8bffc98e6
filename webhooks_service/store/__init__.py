"""Endpoints and deliveries in MongoDB."""
