"""What was acknowledged outlives whatever ends the processes, and several of them do as one would."""
