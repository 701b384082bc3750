"""What a local stack is made of: a broker and emulators that are fetched once, and processes that are looked after."""
