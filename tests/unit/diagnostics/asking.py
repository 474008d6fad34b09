"""Parameters of requests as a library sends them, with nothing wrong in them."""

BARS = {
    "endDateTime": "",
    "durationStr": "1 D",
    "barSizeSetting": "5 mins",
    "whatToShow": "TRADES",
    "useRTH": True,
    "formatDate": 1,
    "keepUpToDate": False,
    "chartOptions": [],
}
TICKS = {
    "startDateTime": "",
    "endDateTime": "20260102 15:00:00 US/Eastern",
    "numberOfTicks": 100,
    "whatToShow": "TRADES",
    "useRth": True,
    "ignoreSize": False,
    "miscOptions": [],
}
