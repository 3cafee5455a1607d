"""What a person watches during a session: a live terminal view, or plain lines without a terminal."""
