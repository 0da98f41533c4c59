"""The conformance kit: what every selector must keep to, checked on small supernets."""
