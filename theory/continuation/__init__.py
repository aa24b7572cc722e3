"""Homotopy continuation: tapes, start systems, the path tracker, endgames and the solver built from them."""
