"""The vendors' wire protocols, one folder each."""
