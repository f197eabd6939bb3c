"""Tests of the built-in renderer."""
