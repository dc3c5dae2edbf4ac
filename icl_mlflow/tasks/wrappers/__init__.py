"""Wrappers of any task: unequal classes, and a finite pool of latents."""
