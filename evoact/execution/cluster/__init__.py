"""Packs on Ray: the cluster itself (`ray_cluster`), Ray Tune, which leases workers (`ray_tune`), what a worker does
(`leased_worker`), how packs and results travel (`pack_exchange`), who offers and takes them (`driver`), whether the
cluster's `head` answers, `metrics` for Prometheus, and what nodes lack (`ray_doctor`)."""
