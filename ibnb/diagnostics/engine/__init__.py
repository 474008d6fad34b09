"""How a diagnosis runs: what it needs to know, its checks, and stopping it."""
