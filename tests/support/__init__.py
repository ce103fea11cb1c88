"""What tests share: processes, brokers, cameras, networks, certificates."""
