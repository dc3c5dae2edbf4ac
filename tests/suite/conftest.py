"""A token for the tests' own Ray clusters; Ray would put one into the home folder."""

import os
import secrets

# Before Ray is imported, which looks at them then.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
