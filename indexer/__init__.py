"""Events of catalogue and seats → read model in MongoDB → Elasticsearch."""
