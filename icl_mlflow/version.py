"""The version, for the package and for what it records; needs no installation."""

VERSION = "0.1.0"
