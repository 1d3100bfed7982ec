"""The command line: `main` knows every command of `commands`.

Beside them is what several commands share: `options`, what the `terminal` can show, a table made to fit it (`fitting`),
the `results` of a run, and the `estimate` of one."""
