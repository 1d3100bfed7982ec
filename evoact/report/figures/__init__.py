"""The figures of a report, each a function to a `Figure`: SVG, what it shows in words, and what to beware of.

`forest` shows gains with their intervals, `boxes` the values behind them, `progress` the course of searches, `learning`
that of networks, `movement` what searches proposed, `curves` the activations of a network, `scatter` winners by two
properties, `bars` shares, `lineage` ancestors. `figure` holds what they share.

Arms and candidates are in one accent colour with the reference in grey; the colours of the palette are those of
functions, one each in a whole report (`function_colours`).
"""
