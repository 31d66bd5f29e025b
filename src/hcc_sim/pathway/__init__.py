"""What a pathway is, the pathway of conversion therapy for hepatocellular carcinoma, and pictures of either."""
