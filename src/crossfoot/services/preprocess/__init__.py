"""`crossfoot preprocess`: a source topic -> the pure step -> the intermediate topic, shared by a consumer group."""
