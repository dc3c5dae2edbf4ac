"""What computes a training: the device, its threads and its number format."""
