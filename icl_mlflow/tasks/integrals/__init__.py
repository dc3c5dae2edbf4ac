"""Integrals over the latents of tasks: special functions, quadrature, hidden labels."""
