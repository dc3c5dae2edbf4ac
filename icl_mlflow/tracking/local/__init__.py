"""What this machine keeps: claims, signs of life, folders, and safe reading."""
