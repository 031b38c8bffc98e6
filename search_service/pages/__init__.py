"""Public pages of events and venues, for people who follow a link and for search engines. Pure: items in, HTML out."""
