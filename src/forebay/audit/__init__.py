"""The audit log: every decision as a leaf of a Merkle tree that nobody can rewrite unseen."""
