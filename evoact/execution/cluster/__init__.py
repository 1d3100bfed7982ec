"""Packs on Ray: the cluster itself (`ray_cluster`), leased workers (`ray_tune`), and how packs and results travel
(`pack_exchange`)."""
