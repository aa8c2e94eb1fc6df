from dcql.codes.code import Code

CODES: tuple[Code, ...] = tuple(Code(f"E01{n:02}", "", "", "", "") for n in range(1, 70))
