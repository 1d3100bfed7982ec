"""What neurons compute: base functions (`functions`), kinds of activations made of them (`kinds`), and which neurons of
a pack are evaluated how (`routing`). Beside them: splines (`spline`) and derivatives of what kernels compute
(`derivatives`), captured curves as files (`curves`, `capture`), hulls made discrete (`discretised`), and how alike
activations are (`alike`)."""
