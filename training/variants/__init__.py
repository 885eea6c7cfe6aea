"""The same network in other numbers: int8 for processors, fp16 for GPUs."""
