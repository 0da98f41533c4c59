"""The conformance kit: check that a selector keeps the rules, on small supernets."""
