"""Files of facts and documents: read, checked, fetched and compared. Torch-free."""
