"""What an editor asks of a recipe's text: functions of the text and a place in it, without a server."""
