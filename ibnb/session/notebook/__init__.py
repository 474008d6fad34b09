"""The notebook: runs of its cells, its event loop, and where its code comes from."""
