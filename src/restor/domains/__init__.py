"""The catalogue of domains: what is true."""
