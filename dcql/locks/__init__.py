"""What a lock says, and its file: what decided a subset, what differs between two locks, and two made one."""
