"""Stand-ins for provider plugins: the real engine plans, makes and removes with them where there are none."""
