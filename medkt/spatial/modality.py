"""DICOM's codes of modalities: what of a header's word for it may be written down."""

# PS3.3 C.7.3.1.1.1, with those that are retired
CODES = frozenset(
    (
        "ANN", "AR", "ASMT", "AU", "BDUS", "BI", "BMD", "CD", "CF", "CFM", "CP", "CR", "CS", "CT", "CTPROTOCOL", "DD",
        "DF", "DG", "DM", "DMS", "DOC", "DS", "DX", "EC", "ECG", "EEG", "EM", "EMG", "EOG", "EPS", "ES", "FA", "FID",
        "FS", "FSPECTRO", "GM", "HC", "HD", "IO", "IOL", "IVOCT", "IVUS", "KER", "KO", "LEN", "LP", "LS", "M3D", "MA",
        "MG", "MR", "MS", "NM", "OAM", "OCT", "OP", "OPM", "OPR", "OPT", "OPTBSV", "OPTENF", "OPV", "OSS", "OT", "PA",
        "PLAN", "POS", "PR", "PT", "PX", "REG", "RESP", "RF", "RG", "RTDOSE", "RTIMAGE", "RTINTENT", "RTPLAN",
        "RTRAD", "RTRECORD", "RTSEGANN", "RTSTRUCT", "RWV", "SC", "SEG", "SM", "SMR", "SR", "SRF", "ST", "STAIN",
        "TEXTUREMAP", "TG", "US", "VA", "VF", "VIDD", "XA", "XAPROTOCOL", "XC",
    )
)  # fmt: skip


def written_modality(code: str) -> str:
    """The code where it is one of DICOM's, "" where the file names none; else "other", for a header may say anything.

    >>> written_modality("CT"), written_modality("JANE DOE"), written_modality("")
    ('CT', 'other', '')
    """
    return code if not code or code.upper() in CODES else "other"
