"""Score populations of architectures with proxies; read files of operation scores."""
