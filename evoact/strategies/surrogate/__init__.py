"""The worth of candidates, given all others: a Gaussian process (`surrogate`, `gaussian_process`) over genomes as
points (`composition`), and samples of it that choose among offspring (`thompson`)."""
