"""Run the command line: `python -m ecg_client`."""

from ecg_client.cli import main

if __name__ == "__main__":
    main()
