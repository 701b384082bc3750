"""The service between the intermediate topic and Pub/Sub."""
