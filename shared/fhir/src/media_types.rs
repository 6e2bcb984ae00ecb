//! Maps file extensions to content types, and content types to file extensions.

const TYPES: [(&str, &str); 22] = [
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("txt", "text/plain"),
    ("html", "text/html"),
    ("xml", "application/xml"),
    ("xml", "text/xml"),
    ("json", "application/json"),
    ("ndjson", "application/fhir+ndjson"),
    ("rtf", "application/rtf"),
    ("rtf", "text/rtf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("tiff", "image/tiff"),
    ("svg", "image/svg+xml"),
    ("dcm", "application/dicom"),
    ("zip", "application/zip"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("mp4", "video/mp4"),
    ("wav", "audio/wav"),
    ("bin", "application/octet-stream"),
];

/// The content type of a file whose type is unknown.
pub const UNKNOWN: &str = "application/octet-stream";

/// Returns the content type for a file extension in lower case; [`UNKNOWN`] if it is not in the table.
pub fn of_extension(extension: &str) -> &'static str {
    let known = TYPES.iter().find(|(of, _)| *of == extension);
    known.map_or(UNKNOWN, |(_, content_type)| content_type)
}

/// Returns the file extension for a content type; `bin` if it is not in the table. Parameters such as a charset are
/// ignored.
pub fn extension_of(content_type: &str) -> &'static str {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    TYPES.iter().find(|(_, known)| *known == essence).map_or("bin", |(extension, _)| extension)
}

/// Returns the content type if it is safe to repeat in a header, and otherwise `application/octet-stream`.
pub fn safe(content_type: &str) -> &str {
    let plain = content_type.len() <= 100
        && content_type.contains('/')
        && content_type.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if plain { content_type } else { "application/octet-stream" }
}
