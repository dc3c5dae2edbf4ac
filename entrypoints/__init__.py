"""What MLproject calls: the same commands as the console script, one file each."""
