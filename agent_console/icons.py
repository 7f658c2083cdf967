"""The icons of the console: 16 × 16, drawn with the text's colour, one sprite in each page."""

from types import MappingProxyType

ICONS = MappingProxyType(
    {
        "search": '<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3 3"/>',
        "phone": '<path d="M3 2.5h2.5l1.2 3-1.5 1.2a8 8 0 0 0 4.1 4.1l1.2-1.5 3 1.2V13a1.2 1.2 0 0 1-1.3 1.2C6.7 13.7 2.3 9.3 1.8 3.8A1.2 1.2 0 0 1 3 2.5z"/>',  # noqa: E501
        "down-phone": '<path d="M1.5 9.2c0-4 13-4 13 0v1.6a.8.8 0 0 1-.9.8l-2.5-.4a.8.8 0 0 1-.7-.8V8.8a9 9 0 0 0-4.8 0v1.6a.8.8 0 0 1-.7.8l-2.5.4a.8.8 0 0 1-.9-.8z"/>',  # noqa: E501
        "mic": '<rect x="6" y="1.75" width="4" height="7.5" rx="2"/><path d="M3.5 7.5a4.5 4.5 0 0 0 9 0M8 12v2.25"/>',
        "pausebars": '<path d="M5.5 3v10M10.5 3v10"/>',
        "stop": '<rect x="3.5" y="3.5" width="9" height="9" rx="1"/>',
        "users": '<circle cx="6" cy="5" r="2.5"/><path d="M1.5 13.5c0-5 9-5 9 0M10.5 2.8a2.5 2.5 0 0 1 0 4.4M12.5 9.8c1.3.6 2 1.8 2 3.7"/>',  # noqa: E501
        "shield": '<path d="M8 1.75 2.75 3.5V8c0 3.2 2.2 5.2 5.25 6.25C11.05 13.2 13.25 11.2 13.25 8V3.5z"/>',
        "check": '<path d="m3 8.5 3.2 3.2L13 4.8"/>',
        "x": '<path d="m4 4 8 8M12 4l-8 8"/>',
        "down": '<path d="m4 6 4 4 4-4"/>',
        "clock": '<circle cx="8" cy="8" r="6"/><path d="M8 4.5V8l2.5 1.5"/>',
        "calendar": '<rect x="2" y="3" width="12" height="11" rx="1"/><path d="M2 6.5h12M5 1.5v3M11 1.5v3"/>',
        "user": '<circle cx="8" cy="5" r="3"/><path d="M2.5 14c0-6 11-6 11 0"/>',
        "warn": '<path d="M8 2 1.5 13.5h13zM8 6.5v3.25M8 11.75v.01"/>',
        "crit": '<path d="M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2zM8 4.5v4M8 11.25v.01"/>',
        "info": '<path d="M8 1.5 14.5 8 8 14.5 1.5 8zM8 7.5v3M8 5.2v.01"/>',
        "lock": '<rect x="3" y="7" width="10" height="7" rx="1"/><path d="M5 7V5a3 3 0 0 1 6 0v2"/>',
        "eye": '<path d="M1.5 8c3-6 10-6 13 0-3 6-10 6-13 0z"/><circle cx="8" cy="8" r="2"/>',
        "download": '<path d="M8 2v8M4.75 7 8 10.25 11.25 7M2.5 13.5h11"/>',
        "filter": '<path d="M2 4h12M4.5 8h7M6.5 12h3"/>',
        "link": '<path d="M2 8.5c1.5-6 10.5-6 12 0M4.5 9.5c1-3.5 6-3.5 7 0M8 11.5v.01"/>',
        "play": '<path d="M5 3v10l8-5z"/>',
        "doc": '<path d="M4 1.5h5.5L12.5 4.5v10H4zM9 1.5V5h3.5M6 8h4M6 11h4"/>',
        "sms": '<path d="M2 3h12v8H7l-3.5 2.75V11H2z"/>',
        "coin": '<circle cx="8" cy="8" r="6"/><path d="M5.5 7h5M5.5 9h5M6.5 5.5c2-1.5 4 .5 2.5 2L6.7 9c-1.2 1.2.5 3 2.6 1.5"/>',
        "moon": '<path d="M13.5 9.5A6 6 0 1 1 6.5 2.5a4.7 4.7 0 0 0 7 7z"/>',
        "headset": '<path d="M2.5 10V8a5.5 5.5 0 0 1 11 0v2M2.5 9.5h2v4h-1a1 1 0 0 1-1-1zM13.5 9.5h-2v4h1a1 1 0 0 0 1-1z"/>',
        "plus": '<path d="M8 3v10M3 8h10"/>',
        "history": '<path d="M2 3v3.5h3.5M2.3 6.5A6 6 0 1 1 2 9M8 5v3.2l2.2 1.3"/>',
        "skip": '<path d="M2.5 4v8l5-4zM8.5 4v8l5-4z"/>',
        "mail": '<path d="M2 3.5h12v9H2zM2 4l6 5 6-5"/>',
        "whisper": '<path d="M2 3h12v8H7l-3.5 2.75V11H2zM5 6h6M5 8.25h3"/>',
        "hold": '<path d="M5.5 3v10M10.5 3v10"/>',
    }
)
