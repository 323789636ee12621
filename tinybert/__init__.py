"""TinyBERT (arXiv 1909.10351) as a library: what the scripts in stages/ call."""
