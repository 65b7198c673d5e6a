import sys

try:
    from core.cli.main import main

    main()
except KeyboardInterrupt:  # before any command ran
    sys.exit(130)
