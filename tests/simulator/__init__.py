"""The provider simulator over real HTTP."""
