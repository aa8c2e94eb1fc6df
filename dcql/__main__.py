from dcql.cli import main

main()
