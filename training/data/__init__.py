"""From the standard `tiny-imagenet-200` folder or archive to batches of uint8 images."""
