"""Stereo cameras: name -> "module:Class". See `perception.camera.Camera`."""

CAMERAS = {
    "folder": "perception.cameras.folder:FolderCamera",
}
