"""The console of operations staff: pages rendered here, over the hub that this process serves."""
